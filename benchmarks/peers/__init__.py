"""What people use today, each driven as its own documentation says; a module for each, which imports it at the top."""
