"""Programs that study the platform. None of them is part of it."""
