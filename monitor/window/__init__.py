"""Which windows there are, which are due, and which past ones they are judged against: no IO."""
