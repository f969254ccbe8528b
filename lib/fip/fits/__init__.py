"""Images as FITS files: their headers, their bytes, and reading them again."""
