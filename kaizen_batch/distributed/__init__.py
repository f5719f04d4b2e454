"""Many processes and machines on top of the same engine: shards of a job, and what joins them."""

from kaizen_batch.distributed.folder import Folder, LocalFolder, open_folder
from kaizen_batch.distributed.merge import Merged, merge, merged_journal, shard_states
from kaizen_batch.distributed.scheduling import Shard, shard_of
from kaizen_batch.distributed.shards import ShardRun, Work, open_shard, plan_of

__all__ = [
    "Folder",
    "LocalFolder",
    "Merged",
    "Shard",
    "ShardRun",
    "Work",
    "merge",
    "merged_journal",
    "open_folder",
    "open_shard",
    "plan_of",
    "shard_of",
    "shard_states",
]
