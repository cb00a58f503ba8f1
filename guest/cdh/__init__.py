"""The Confidential Data Hub: resources for the workload."""
