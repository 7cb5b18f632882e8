"""Other libraries with receipts. Each module imports its library when it is used, and not before."""
