"""log-sink: writes everything that happens into the store and the log, and answers questions to the store."""
