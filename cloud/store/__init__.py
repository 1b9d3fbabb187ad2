"""The database: tables, records, and one repository for each subject. The only package that holds SQL."""
