"""What each option means and allows. Written from docs/options.md by `python -m tests.docs.option_texts`."""

# ruff: noqa: E501, RUF001 - the lines are those of the page

OPTION_TEXTS = {
    "adaptive": "Discover how much concurrency the endpoint sustains. Allowed: True, False.",
    "api_key": "Never appears in a log, repr, error, journal or serialized workflow. Allowed: ASCII without spaces, or None.",
    "base_url": "Address up to and including /v1, without user, password or query; None: OpenAI. Allowed: an http or https URL, or None.",
    "budget_usd": "Hard cap in USD; with a journal, over all runs on it. Allowed: above 0, or None.",
    "deadline_s": "Seconds for the whole batch; items that are not done by then are not_attempted. Allowed: above 0, or None.",
    "endpoint_name": "What a journal calls the endpoint; None: the base URL. Replicas, a moved server or a proxy share answers under one name. Allowed: a text, or None.",
    "fallbacks": "Models or endpoints that take over items the first one cannot serve. Allowed: names, or dicts of options.",
    "grace_s": "Seconds that in-flight calls get to finish at the deadline, or when a run with a journal ends early. Allowed: from 0.",
    "hedge_after": "0.95: send a second (hedged) request when a call is slower than 95% of the others; both are billed. Allowed: above 0, below 1, or None.",
    "journal": "File that records every call and answer. Allowed: a path, or None.",
    "labels": "Your own notes, which the journal keeps with the run. Allowed: a dict of texts.",
    "llm_provider": '"openai" (any compatible endpoint), "mock", a registered name, "package.module:Provider". Allowed: a name, or an import path.',
    "max_concurrent": "Calls in flight at once, per run; with adaptive, the upper bound. Allowed: 1 to 100,000.",
    "max_reasks": "How many times to re-ask when an answer does not fit the signature. Allowed: 0 to 20.",
    "max_tokens": "Tokens of an answer, at most; None leaves it to the endpoint, and then budget_usd cannot be used. Allowed: from 1, or None.",
    "model": "The name of the model at the endpoint. Allowed: a text.",
    "on_empty": 'An answer without any text: fail the item (it may be re-asked), or keep it. Allowed: "fail", "keep".',
    "on_error": 'A failed item becomes a result with an error, or ends the run with BatchError. Allowed: "collect", "raise".',
    "on_truncated": 'A text cut off by max_tokens: keep it and count it as truncated, or fail the item; an answer with a schema always fails. Allowed: "keep", "fail".',
    "price": '{"input": ..., "output": ..., "cached": ...}, USD per million tokens; None: from the price list. Allowed: Price, a dict, or None.',
    "provider_options": "Passed to the provider's constructor; must not hold a secret, because a serialized workflow contains it. Allowed: a dict.",
    "requests_per_minute": "Requests sent in any 60 s of the server's clock, at most. Allowed: from 1, or None.",
    "retry": "How failed calls are retried. Allowed: RetryPolicy, a dict.",
    "system_prompt": "Comes before the signature's instructions. Allowed: a text, or None.",
    "temperature": "None leaves it to the endpoint; it is not sent to models that are known to reject it. Allowed: 0 to 2, or None.",
    "timeout_s": "Seconds until one call times out. Allowed: above 0, or None.",
    "tokens_per_minute": "The same for tokens; prompt and answer both count. Allowed: from 1, or None.",
    "window": "Results buffered for ordering, or while the consumer is slow; None: 16 × max_concurrent, at least 256. Allowed: from 1, or None.",
}
