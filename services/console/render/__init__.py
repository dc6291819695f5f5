"""How events, results and tables look to a person. Text of agents is cleaned of control characters here."""
