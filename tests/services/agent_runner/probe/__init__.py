"""The probe: what is altered, what that shows, and how it is done."""
