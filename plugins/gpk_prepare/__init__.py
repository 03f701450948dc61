"""Raw photos into an album: crops, cameras, and which of them are worth learning from. Light: never imports torch."""
