"""The sensors: `arrivals` fills Truth, `pending_rows` asks for the runs that rows need."""
