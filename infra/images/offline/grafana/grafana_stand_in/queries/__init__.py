"""What datasources answer: health and data frames, through real connections."""
