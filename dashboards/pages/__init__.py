"""The page, one module a section: each turns a snapshot into markup and asks nothing of anybody."""
