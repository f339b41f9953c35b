# The two ideas of the method, one by one and together, beside the momentum contrast that they are
# added to. For plans that take the branch from branch_r18-half.py.
baseline = 'moco'
variants = {
    'moco': {'model.head.rule': 'none', 'model.lambda_d': 0},
    'matching': {'model.lambda_d': 0},
    'diffusion': {'model.head.rule': 'none'},
    'swimdiff': {},
}
