"""Land-cover classes of BigEarthNet: 43 of CORINE level 3, and the 19 made of them.

Source: Sumbul et al., "BigEarthNet" (IGARSS 2019) for the 43 classes in the order of CORINE's
codes, and "BigEarthNet-MM" (GRSM 2021), table 1, for the 19.
"""

__all__ = ['CLASSES_19', 'CLASSES_43', 'to_19']

_NEW_NAMES: dict[str, tuple[str, ...]] = {
    'Urban fabric': ('Continuous urban fabric', 'Discontinuous urban fabric'),
    'Industrial or commercial units': ('Industrial or commercial units',),
    'Arable land': ('Non-irrigated arable land', 'Permanently irrigated land', 'Rice fields'),
    'Permanent crops': (
        'Vineyards',
        'Fruit trees and berry plantations',
        'Olive groves',
        'Annual crops associated with permanent crops',
    ),
    'Pastures': ('Pastures',),
    'Complex cultivation patterns': ('Complex cultivation patterns',),
    'Land principally occupied by agriculture, with significant areas of natural vegetation': (
        'Land principally occupied by agriculture, with significant areas of natural vegetation',
    ),
    'Agro-forestry areas': ('Agro-forestry areas',),
    'Broad-leaved forest': ('Broad-leaved forest',),
    'Coniferous forest': ('Coniferous forest',),
    'Mixed forest': ('Mixed forest',),
    'Natural grassland and sparsely vegetated areas': (
        'Natural grassland',
        'Sparsely vegetated areas',
    ),
    'Moors, heathland and sclerophyllous vegetation': (
        'Moors and heathland',
        'Sclerophyllous vegetation',
    ),
    'Transitional woodland, shrub': ('Transitional woodland/shrub',),
    'Beaches, dunes, sands': ('Beaches, dunes, sands',),
    'Inland wetlands': ('Inland marshes', 'Peatbogs'),
    'Coastal wetlands': ('Salt marshes', 'Salines'),
    'Inland waters': ('Water courses', 'Water bodies'),
    'Marine waters': ('Coastal lagoons', 'Estuaries', 'Sea and ocean'),
}

CLASSES_19 = tuple(_NEW_NAMES)

CLASSES_43 = (
    'Continuous urban fabric',
    'Discontinuous urban fabric',
    'Industrial or commercial units',
    'Road and rail networks and associated land',
    'Port areas',
    'Airports',
    'Mineral extraction sites',
    'Dump sites',
    'Construction sites',
    'Green urban areas',
    'Sport and leisure facilities',
    'Non-irrigated arable land',
    'Permanently irrigated land',
    'Rice fields',
    'Vineyards',
    'Fruit trees and berry plantations',
    'Olive groves',
    'Pastures',
    'Annual crops associated with permanent crops',
    'Complex cultivation patterns',
    'Land principally occupied by agriculture, with significant areas of natural vegetation',
    'Agro-forestry areas',
    'Broad-leaved forest',
    'Coniferous forest',
    'Mixed forest',
    'Natural grassland',
    'Moors and heathland',
    'Sclerophyllous vegetation',
    'Transitional woodland/shrub',
    'Beaches, dunes, sands',
    'Bare rock',
    'Sparsely vegetated areas',
    'Burnt areas',
    'Inland marshes',
    'Peatbogs',
    'Salt marshes',
    'Salines',
    'Intertidal flats',
    'Water courses',
    'Water bodies',
    'Coastal lagoons',
    'Estuaries',
    'Sea and ocean',
)

_INTO_19 = {
    CLASSES_43.index(old): CLASSES_19.index(new) for new, olds in _NEW_NAMES.items() for old in olds
}


def to_19(labels: list[int]) -> list[int]:
    """Convert indices of the 43 classes to the 19; eleven of the 43 have none.

    Args:
        labels: Indices into ``CLASSES_43``.

    Returns:
        Sorted indices into ``CLASSES_19``, each once; empty where only left-out classes were given.
    """
    return sorted({_INTO_19[label] for label in labels if label in _INTO_19})
