"""What Contrail costs and how fast it is, measured on the real stack: `make bench`."""
