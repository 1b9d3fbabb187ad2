"""The API's long lists, read page by page from the database: filters, and one query a page."""
