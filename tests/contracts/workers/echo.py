"""A worker process for the contract of Workers."""

from tests.contracts.worker_scripts import main

main("echo")
