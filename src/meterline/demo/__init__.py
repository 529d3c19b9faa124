"""The sample installation of `meterline demo`: a price list of LLM models, and traffic."""
