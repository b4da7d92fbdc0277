"""Contrail's pipeline: feeds, Kafka, Spark streams on Delta Lake, and what readers of its tables need."""
