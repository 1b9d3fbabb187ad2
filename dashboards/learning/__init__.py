"""What the pages of the learning loop show: markup, rows and chart options, made of resources. Pure."""
