"What the doctor finds in --data: suspected labels, copies, and leaks across the official split."
from common import arguments, record_name
from pet_breeds.datasets import get_data
from pet_breeds.doctor import examine
from pet_breeds.options import RECOMMENDED, settings
from pet_breeds.records import data_name, provenance, write_record

# What somebody who is no judge of breeds saw in the first 50 suspects of ../shared/pets-full:
# photos of another breed, and photos that may well be; the others may be what their label says.
SEEN = dict(
    first=50,
    wrong="""basset_hound_180 Bengal_156 yorkshire_terrier_121 samoyed_131 boxer_189
        saint_bernard_148 Egyptian_Mau_85 american_bulldog_100 Persian_221 scottish_terrier_180
        Bengal_166 american_pit_bull_terrier_182 staffordshire_bull_terrier_33""".split(),
    doubtful="""Siamese_257 staffordshire_bull_terrier_105 Bengal_134 basset_hound_182 Siamese_240
        Egyptian_Mau_155 american_pit_bull_terrier_79 american_bulldog_108 Siamese_228
        staffordshire_bull_terrier_54""".split())
KINDS = 'suspected label', 'duplicate', 'near duplicate', 'leaks across the split'

if __name__ == '__main__':
    data = arguments(__doc__)
    s = settings({'PET_BREEDS_DATA': str(data)})
    how = dict(arch=s.arch, size=s.size) if data == 'sample' else RECOMMENDED
    split = 'random' if data == 'sample' else 'official'
    report = examine(get_data(data), split=split, labels=True, **how)
    write_record(record_name('labels', data), provenance(42) | how | dict(
        data=data_name(data), files=report.files, split=split, notes=report.notes,
        seen=SEEN if data_name(data) == 'shared/pets-full' else None,
        findings=[f._asdict() for f in report.findings if f.kind in KINDS]))
