"""From the node's threads to the site's broker: batching, spooling on disk, publishing."""
