// helpers, no pass
