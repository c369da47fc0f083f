"""Pictures of graphs: a layered layout, as SVG or on the axes of matplotlib."""
