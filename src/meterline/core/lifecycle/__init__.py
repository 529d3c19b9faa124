"""The life of a customer's books: what falls due when, and what it does to grants, ledger and invoices. Pure."""
