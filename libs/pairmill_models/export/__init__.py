"""`python -m pairmill_models.export`: from open_clip models to bundles. The extra `export` has torch."""
