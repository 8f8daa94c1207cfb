"""The playground: gradient descent watched step by step, in the browser.

What the page shows is computed here, by the library's own solvers and losses; the page only draws.
A request carries all settings (`settings`). They choose points (`points`) and define an objective,
a solver and a start (`problems`), which give the frames of a run (`runs`) and the loss over two of
the parameters (`views`). The server (`app`) keeps nothing between requests.
"""
