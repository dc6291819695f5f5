"""The probe: changed code, called again as the checks call it, with another word or number in what it is given."""
