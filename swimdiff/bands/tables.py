"""The statistics of each product that the package knows by name.

Numbers are derived in code from the tables they come from: their provenance can be read here.
"""

from collections.abc import Mapping

from swimdiff.bands.names import SECO_BANDS
from swimdiff.bands.stats import ProductStats

__all__ = ['TABLES']

#: Mean and standard deviation of BigEarthNet level-2A patches (reflectance x 10,000), the table
#: that SeCo's own BigEarthNet loader standardises with.
_BIGEARTHNET_L2A: dict[str, tuple[float, float]] = {
    'B01': (340.76769064, 554.81258967),
    'B02': (429.9430203, 572.41639287),
    'B03': (614.21682446, 582.87945694),
    'B04': (590.23569706, 675.88746967),
    'B05': (950.68368468, 729.89827633),
    'B06': (1792.46290469, 1096.01480586),
    'B07': (2075.46795189, 1273.45393088),
    'B08': (2218.94553375, 1365.45589904),
    'B8A': (2266.46036911, 1356.13789355),
    'B09': (2246.0605464, 1302.3292881),
    'B11': (1594.42694882, 1079.19066363),
    'B12': (1009.32729131, 818.86747235),
}

#: 2 % and 98 % quantiles of SeCo in uint8 units (its release, for the visible bands only).
_SECO_QUANTILES: dict[str, tuple[float, float]] = {
    'B02': (3.0, 88.0),
    'B03': (2.0, 103.0),
    'B04': (0.0, 129.0),
}

#: ImageNet mean and standard deviation (0..1) of the band that shows the same colour.
_IMAGENET: dict[str, tuple[float, float]] = {
    'B04': (0.485, 0.229),
    'B03': (0.456, 0.224),
    'B02': (0.406, 0.225),
}

#: Mean and standard deviation of EuroSAT's level-1C patches (reflectance x 10,000), as torchgeo's
#: EuroSAT module publishes them; its vector is positional with B8A last, here each has its name.
_EUROSAT_L1C: dict[str, tuple[float, float]] = {
    'B01': (1354.40546513, 245.71762908),
    'B02': (1118.24399958, 333.00778264),
    'B03': (1042.92983953, 395.09249139),
    'B04': (947.62620298, 593.75055589),
    'B05': (1199.47283961, 566.4170017),
    'B06': (1999.79090914, 861.18399006),
    'B07': (2369.22292565, 1086.63139075),
    'B08': (2296.82608323, 1117.98170791),
    'B8A': (2594.14080798, 1231.58581042),
    'B09': (732.08340178, 404.91978886),
    'B10': (12.11327804, 4.77584468),
    'B11': (1819.01027855, 1002.58768311),
    'B12': (1118.92391149, 761.30323499),
}

#: 2 % and 98 % quantiles of all 24 cities of OSCD, level-1C numbers (SeCo's OSCD protocol; measured
#: again on the images: the same to the last digit).
_OSCD_QUANTILES: dict[str, tuple[float, float]] = {
    'B02': (885.0, 2620.0),
    'B03': (667.0, 2969.0),
    'B04': (426.0, 3698.0),
}

#: SeCo stores reflectance 0..1 as 0..255; BigEarthNet stores reflectance x 10,000.
_SECO_PER_BIGEARTHNET = 255.0 / 10_000.0


#: Mean and standard deviation of SSL4EO-S12's level-1C patches worldwide (reflectance x 10,000),
#: from 50,000 of them, as its release publishes them.
_SSL4EO_L1C: dict[str, tuple[float, float]] = {
    'B01': (1605.57504906, 786.78685367),
    'B02': (1390.78157673, 850.34818441),
    'B03': (1314.8729939, 875.06484736),
    'B04': (1363.52445545, 1138.84957046),
    'B05': (1549.44374991, 1122.17775652),
    'B06': (2091.74883118, 1161.59187054),
    'B07': (2371.7172463, 1274.39184232),
    'B08': (2299.90463006, 1248.42891965),
    'B8A': (2560.29504086, 1345.52684884),
    'B09': (830.06605044, 577.31607053),
    'B10': (22.10351321, 51.15431158),
    'B11': (2177.07172323, 1336.09932639),
    'B12': (1524.06546312, 1136.53823676),
}

#: The same of its level-2A patches.
_SSL4EO_L2A: dict[str, tuple[float, float]] = {
    'B01': (752.40087073, 1108.02887453),
    'B02': (884.29673756, 1155.15170768),
    'B03': (1144.16202635, 1183.6292542),
    'B04': (1297.47289228, 1368.11351514),
    'B05': (1624.90992062, 1370.265037),
    'B06': (2194.6423161, 1355.55390699),
    'B07': (2422.21248945, 1416.51487101),
    'B08': (2517.76053101, 1474.78900051),
    'B8A': (2581.64687018, 1439.3086061),
    'B09': (2645.51888987, 1582.28010962),
    'B11': (2368.51236873, 1455.52084939),
    'B12': (1805.06846033, 1343.48379601),
}

#: Mean and standard deviation of all pixels of 1,400 aerial pictures of RSSCN7 (reduced to 160 x
#: 160 pixels), the part ``pretrain`` of ``divide_pictures`` with pretrain 0.5, train 0.3, val 0.05,
#: test 0.15 and seed 0; those of all 2,800 differ by less than 0.5.
_RSSCN7: dict[str, tuple[float, float]] = {
    'B04': (94.96, 49.34),
    'B03': (97.40, 44.72),
    'B02': (87.52, 45.67),
}


def _seco_stats() -> ProductStats:
    low, high, mean, std = {}, {}, {}, {}
    for band in SECO_BANDS:
        centre, spread = (value * _SECO_PER_BIGEARTHNET for value in _BIGEARTHNET_L2A[band])
        if band in _SECO_QUANTILES:
            low[band], high[band] = _SECO_QUANTILES[band]
        else:
            low[band] = max(0.0, centre - 2 * spread)
            high[band] = min(255.0, centre + 2 * spread)
        if band in _IMAGENET:
            mean[band], std[band] = (value * 255.0 for value in _IMAGENET[band])
        else:
            # The stretch is affine, so it moves mean and std in closed form (its clip is left out).
            gain = 255.0 / (high[band] - low[band])
            mean[band], std[band] = (centre - low[band]) * gain, spread * gain
    return ProductStats(
        name='seco',
        low=low,
        high=high,
        mean=mean,
        std=std,
        unit='reflectance x 255',
        source=(
            'B02 B03 B04: 2 % and 98 % quantiles of the SeCo release, ImageNet mean and std by '
            'colour; other bands (reconstruction): mean +/- 2 std of the BigEarthNet L2A table, '
            'clipped to 0..255, and that mean and std carried through the stretch'
        ),
    )


def _oscd_stats() -> ProductStats:
    low, high, mean, std = {}, {}, {}, {}
    for band, (centre, spread) in _EUROSAT_L1C.items():
        if band in _OSCD_QUANTILES:
            low[band], high[band] = _OSCD_QUANTILES[band]
            mean[band], std[band] = (value * 255.0 for value in _IMAGENET[band])
        else:
            low[band], high[band] = max(0.0, centre - 2 * spread), centre + 2 * spread
            gain = 255.0 / (high[band] - low[band])
            mean[band], std[band] = (centre - low[band]) * gain, spread * gain
    return ProductStats(
        name='oscd',
        low=low,
        high=high,
        mean=mean,
        std=std,
        unit='reflectance x 10000',
        source=(
            'B02 B03 B04: 2 % and 98 % quantiles of OSCD (SeCo protocol), then the mean and std '
            'that the backbone was pre-trained with; other bands (reconstruction): mean +/- 2 std '
            "of EuroSAT's level-1C table, cut off at 0, and that mean and std carried through"
        ),
    )


def _level_stats(name: str, level: str, table: Mapping[str, tuple[float, float]]) -> ProductStats:
    """A product level of Sentinel-2 worldwide, stretched from mean - 2 std to mean + 2 std."""
    low, high, mean, std = {}, {}, {}, {}
    for band, (centre, spread) in table.items():
        low[band], high[band] = max(0.0, centre - 2 * spread), centre + 2 * spread
        gain = 255.0 / (high[band] - low[band])
        mean[band], std[band] = (centre - low[band]) * gain, spread * gain
    return ProductStats(
        name=name,
        low=low,
        high=high,
        mean=mean,
        std=std,
        unit='reflectance x 10000',
        source=(
            f'mean and std of SSL4EO-S12 {level}, 50,000 patches worldwide, as released; stretch '
            'mean +/- 2 std as its release does to uint8, cut off at 0 (reconstruction), and that '
            'mean and std carried through'
        ),
    )


def _picture_stats() -> ProductStats:
    """Pictures of 8 bits, which are on the scale of the stretch as they are."""
    return ProductStats(
        name='pictures',
        low=dict.fromkeys(_RSSCN7, 0.0),
        high=dict.fromkeys(_RSSCN7, 255.0),
        mean={band: mean for band, (mean, _) in _RSSCN7.items()},
        std={band: std for band, (_, std) in _RSSCN7.items()},
        unit='picture, 0 to 255',
        source=(
            'mean and std of 1,400 aerial pictures of RSSCN7 (half of each of its seven classes), '
            'measured with this package; no stretch'
        ),
    )


TABLES: Mapping[str, ProductStats] = {
    'seco': _seco_stats(),
    'oscd': _oscd_stats(),
    's2_l1c': _level_stats('s2_l1c', 'level 1C', _SSL4EO_L1C),
    's2_l2a': _level_stats('s2_l2a', 'level 2A', _SSL4EO_L2A),
    'pictures': _picture_stats(),
}
