"""What a node can be: proxy, daemon, storage, encoder; and the pure media room they share."""
