"""What may leave a site: names, times, precision and numbers of reports."""
