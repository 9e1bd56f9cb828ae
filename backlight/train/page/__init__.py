"""The page that a training run leaves behind: its parts, from a number's text to the document.

`markup` makes escaped HTML, `number` and `scale` the figures and axes, `charts`, `histograms` and
`confusion` the drawings, `pictures` the images, `record` reads a run, `curves`, `predictions` and
`reading` say what there is to see in it, and `document` puts it together.
"""
