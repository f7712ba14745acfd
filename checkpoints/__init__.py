"""Where runs live: savers, runs that can be taken up again, traces."""
