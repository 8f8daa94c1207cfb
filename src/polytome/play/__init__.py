"""The playground: gradient descent watched step by step, in the browser.

What the page shows is computed here, by the library's own solvers and losses; the page only draws. A request carries
all settings (`settings`); they choose points (`points`) and become an objective, a solver and a start (`problems`),
from which come the frames of a run (`runs`) and the loss over two of the parameters (`surface`). The server (`app`)
keeps nothing between requests.
"""
