"""The event log in Apache Kafka: for where one machine is outgrown. See README.md of `meterline.log`."""
