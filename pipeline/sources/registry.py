"""Who may fly in the simulated sky: countries with their ICAO address blocks, airlines' designators and airports.

Address blocks: ICAO Annex 10, Volume III, table 9-1, with the country names that OpenSky uses. Weights follow the shares
of countries among the aircraft that OpenSky sees.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    """`first` and `last` bound the address block; `weight` is its share among aircraft."""

    name: str
    first: int
    last: int
    weight: float
    airlines: tuple[str, ...]
    airports: tuple[str, ...]


def _country(name: str, first: str, last: str, weight: float, airlines: str, airports: str) -> Country:
    return Country(name, int(first, 16), int(last, 16), weight, tuple(airlines.split()), tuple(airports.split()))


COUNTRIES = (
    _country(
        "United States",
        "a00000",
        "adf7c7",
        34,
        "AAL DAL UAL SWA JBU ASA FDX UPS",
        "ATL LAX ORD DFW DEN JFK SFO SEA LAS MCO CLT MIA PHX IAH BOS MSP DTW PHL SLC BWI SAN TPA PDX STL HNL ANC",
    ),
    _country("United Kingdom", "400000", "43ffff", 8, "BAW EZY VIR EXS LOG", "LHR LGW MAN STN EDI BHX GLA"),
    _country("Germany", "3c0000", "3fffff", 7, "DLH EWG CFG GEC", "FRA MUC BER DUS HAM CGN STR"),
    _country("China", "780000", "7bffff", 5, "CCA CES CSN CHH", "PEK PVG CAN CTU SZX KMG XIY"),
    _country("Ireland", "4ca000", "4cafff", 3.5, "RYR EIN", "DUB SNN ORK"),
    _country("Turkey", "4b8000", "4bffff", 3.5, "THY PGT SXS", "IST SAW AYT ESB"),
    _country("Canada", "c00000", "c3ffff", 4, "ACA WJA JZA TSC", "YYZ YVR YUL YYC YEG YOW YHZ"),
    _country("Spain", "340000", "37ffff", 2.6, "IBE VLG AEA", "MAD BCN PMI AGP LPA TFS"),
    _country("France", "380000", "3bffff", 2.6, "AFR TVF HOP", "CDG ORY NCE LYS TLS MRS"),
    _country("Malta", "4d2000", "4d23ff", 1.6, "AMC RYM", "MLA"),
    _country("Kingdom of the Netherlands", "480000", "487fff", 2.2, "KLM TRA", "AMS EIN RTM"),
    _country("Austria", "440000", "447fff", 2, "AUA EJU LDM", "VIE SZG INN"),
    _country("Switzerland", "4b0000", "4b7fff", 1.9, "SWR EZS", "ZRH GVA BSL"),
    _country("Japan", "840000", "87ffff", 2.4, "JAL ANA SKY", "HND NRT KIX CTS FUK OKA ITM"),
    _country("India", "800000", "83ffff", 2.6, "AIC IGO SEJ", "DEL BOM BLR MAA HYD CCU"),
    _country("United Arab Emirates", "896000", "896fff", 1.9, "UAE ETD FDB", "DXB AUH SHJ"),
    _country("Poland", "488000", "48ffff", 1.3, "LOT ENT", "WAW KRK GDN"),
    _country("Portugal", "490000", "497fff", 1.3, "TAP RZO", "LIS OPO FAO"),
    _country("Qatar", "06a000", "06a3ff", 1.2, "QTR", "DOH"),
    _country("Hungary", "470000", "477fff", 1.2, "WZZ", "BUD"),
    _country("Sweden", "4a8000", "4affff", 1.2, "SAS NOZ", "ARN GOT"),
    _country("Brazil", "e40000", "e7ffff", 1.8, "TAM GLO AZU", "GRU GIG BSB CNF POA REC"),
    _country("Republic of Korea", "718000", "71ffff", 1.2, "KAL AAR JJA", "ICN GMP CJU PUS"),
    _country("Norway", "478000", "47ffff", 1, "NAX WIF", "OSL BGO TRD TOS"),
    _country("Belgium", "448000", "44ffff", 0.9, "BEL", "BRU CRL"),
    _country("Czech Republic", "498000", "49ffff", 0.7, "CSA TVS", "PRG"),
    _country("Denmark", "458000", "45ffff", 0.7, "DTR", "CPH BLL"),
    _country("Finland", "460000", "467fff", 0.7, "FIN", "HEL OUL"),
    _country("Greece", "468000", "46ffff", 0.7, "AEE", "ATH SKG HER"),
    _country("Australia", "7c0000", "7fffff", 1.9, "QFA VOZ JST", "SYD MEL BNE PER ADL CNS"),
    _country("Italy", "300000", "33ffff", 1.1, "ITY NOS", "FCO MXP VCE NAP CTA"),
    _country("Morocco", "020000", "027fff", 0.6, "RAM", "CMN RAK"),
    _country("Egypt", "010000", "017fff", 0.6, "MSR", "CAI HRG"),
    _country("Russian Federation", "100000", "1fffff", 0.9, "AFL SBI", "SVO DME LED OVB"),
    _country("Singapore", "768000", "76ffff", 0.8, "SIA TGW", "SIN"),
    _country("Saudi Arabia", "710000", "717fff", 0.8, "SVA FAD", "RUH JED DMM"),
    _country("Mexico", "0d0000", "0d7fff", 1, "AMX VOI VIV", "MEX CUN GDL MTY TIJ"),
    _country("South Africa", "008000", "00ffff", 0.6, "SAA SFR", "JNB CPT DUR"),
    _country("New Zealand", "c80000", "c87fff", 0.6, "ANZ", "AKL CHC WLG"),
    _country("Thailand", "880000", "887fff", 0.7, "THA AIQ", "BKK DMK HKT CNX"),
    _country("Indonesia", "8a0000", "8a7fff", 0.8, "GIA LNI", "CGK DPS SUB"),
    _country("Malaysia", "750000", "757fff", 0.6, "MAS AXM", "KUL PEN BKI"),
    _country("Argentina", "e00000", "e3ffff", 0.5, "ARG", "EZE AEP COR"),
    _country("Ethiopia", "040000", "040fff", 0.5, "ETH", "ADD"),
    _country("Iceland", "4cc000", "4ccfff", 0.4, "ICE", "KEF"),
)
