"""The formats that datasets come in; each is read into a `cloud.data.listing.Listing`."""
