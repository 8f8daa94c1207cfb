"""One module for each kind of file; each turns unchecked bytes into checked arrays or a `Frame`.

Reading is fast and says little; when it fails, the same bytes are read again slowly to say which
line is wrong and why.
"""
