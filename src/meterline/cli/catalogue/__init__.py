"""Catalogue files: what a platform should sell, written down; compared with what it sells; and brought about.

source      text (YAML, TOML, JSON) to plain values that know their line
model       what a file may say: metrics, products, rate cards; `terms`: customers and contracts
amounts     money and prices as people write them, in the measures of the API
bodies      the file's parts as requests of the API; ids of what does not exist yet are `Ref`s
platform    what exists already
comparison  the differences between the two, each with the requests that remove it
performance sends them
"""
