"""Where windows come from: files today; databases, warehouses and object stores later.

Everything that opens a file stands here: tables (:mod:`~whydrift.monitor.source.files`), graphs
and knowledge (:mod:`~whydrift.monitor.source.graph_file`).
"""
