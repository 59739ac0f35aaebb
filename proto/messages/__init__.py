"""Every message that crosses the mesh, a module a domain, and the numbers they own.

| module | numbers |
|---|---|
| membership | 100-199 |
| identity | 200-299 |
| catalogue | 300-399 |
| chunks | 400-499 |
| live | 500-599 |
| cameras | 600-699 |
| jobs | 700-799 |
| search | 800-899 |
| nodes | 900-999 |
| events | 1000-1099 |
| relay | 1100-1199 |
"""
