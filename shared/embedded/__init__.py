"""Obra without anything to install: a nats-server of its own, a host for the services, and the way to join them.

The first command that needs a running Obra starts a *host*: one background process with a nats-server as its child
and all seven services. Every command holds a *lease*, a connection to the host; when the last one is gone, however
it went, the host stops what it runs and ends. If the host is killed, the kernel takes the server and the agents
with it, and the next command starts a new host, which goes on where the log ends.
"""
