"""What nbdev and Quarto do not do by themselves to make the site; `make docs` uses it.

nbdev finds the processors and the renderer by `procs` and `renderer` in settings.ini, if this folder is on the path.

python tests/render.py FOLDER    mend a rendered site: llms.txt and the pages behind it, and a role of its citations
"""
import ast
import inspect
import json
import re
import sys
import textwrap
from dataclasses import is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, get_args, get_origin

import yaml
from fastcore.docments import docments
from nbdev.config import get_config
from nbdev.doclinks import NbdevLookup
from nbdev.processors import Processor
from nbdev.showdoc import BasicMarkdownRenderer

WIDTH = 88  # Characters of a line of code that is shown
NAME = re.compile(r'`([A-Za-z_][\w.]*)(\(\))?`')
FENCE = re.compile(r'(?ms)^(```|~~~).*?^\1[ ]*$')


# Links from names to their pages: nbdev's own go into signatures too, and from any word that is some function's name.

@cache
def page_of(name):
    "The address of the page that documents a name of ours."
    return NbdevLookup().doc(name)


def link_name(found):
    "A word such as `train` may be the name of many a thing; it is linked if it is called, as `train()`."
    name, call = found[1], found[2] or ''
    if not call and re.fullmatch('[a-z]+', name): return found[0]
    return f'[`{name}{call}`]({page})' if (page := page_of(name)) else found[0]


def link_names(markdown):
    "Links from names in prose; code blocks, headings and what is a link already stay as they are."
    kept = re.compile(rf'(?ms){FENCE.pattern.removeprefix("(?ms)")}|^    .*?$|^#+ .*?$|\[[^\]]*\]\([^)]*\)')
    parts, at = [], 0
    for m in kept.finditer(markdown):
        parts += [NAME.sub(link_name, markdown[at:m.start()]), m[0]]
        at = m.end()
    return ''.join(parts) + NAME.sub(link_name, markdown[at:])


def add_links(cell):
    "Instead of nbdev's processor of this name."
    if cell.cell_type == 'markdown': cell.source = link_names(cell.source)
    for output in cell.get('outputs', []):
        data = output.get('data', {})
        if 'text/markdown' in data: data['text/markdown'] = link_names(''.join(data['text/markdown']))


# Signatures: nbdev's lack what an annotation holds (`list` for `list[str]`) and the comments of a dataclass's fields.

def shown(annotation):
    "An annotation as it is written, without the modules of its names."
    if get_origin(annotation) is Annotated: annotation = get_args(annotation)[0]
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r'Optional\[(.*)\]', r'\1|None', text)
    return re.sub(r'\b(?:\w+\.)+(?=\w)', '', text).replace(' | ', '|').strip("'")


def help_of(annotation):
    "What typer says about an option."
    said = [m.help for m in get_args(annotation)[1:] if getattr(m, 'help', None)] if get_origin(annotation) is Annotated else []
    return said[0] if said else None


def default(value):
    text = getattr(value, '__name__', None) or repr(value)
    return '…' if re.search(r' at 0x|^<|MISSING', text) or len(text) > 60 else text


def in_module(sym, name):
    "The exported thing, whose source can be read, for one that a cell defined."
    try:
        module = NbdevLookup()[name][1].removesuffix('.py').replace('/', '.')
        found = import_module(module)
        for part in name.split('.'): found = getattr(found, part)
        return found
    except (TypeError, AttributeError, ImportError): return sym


def fields_of(cls):
    "Name, annotation, default and comment of each field of a dataclass or a NamedTuple."
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    written = {n.target.id: n.annotation for n in tree.body if isinstance(n, ast.AnnAssign)}
    comments = docments(cls) if is_dataclass(cls) else {}
    lines = textwrap.dedent(inspect.getsource(cls)).split('\n')
    rows = []
    for name, p in inspect.signature(cls).parameters.items():
        comment = comments.get(name)
        line = lines[written[name].lineno - 1] if name in written else ''
        if not comment and '  # ' in line: comment = line.partition('  # ')[2]
        rows.append((name, shown(ast.unparse(written[name]) if name in written else p.annotation), p.default, comment))
    return rows


def parameters_of(sym):
    comments = docments(sym, args_kwargs=True)
    for name, p in inspect.signature(sym).parameters.items():
        stars = {p.VAR_POSITIONAL: '*', p.VAR_KEYWORD: '**'}.get(p.kind, '')
        annotation = '' if p.annotation is p.empty else shown(p.annotation)
        if name != 'self': yield stars + name, annotation, p.default, comments.get(name) or help_of(p.annotation)


def lines_of(parameters):
    "A line each, its comment behind it or, where that is too long, above; those without a comment share lines."
    lines, was_bare = [], False
    for name, annotation, value, comment in parameters:
        code = name + (f': {annotation}' if annotation else '')
        if value is not inspect.Parameter.empty: code += (' = ' if annotation else '=') + default(value)
        line, said = f'    {code},', ' '.join((comment or '').split())
        if said and len(f'{line}  # {said}') <= WIDTH: lines.append(f'{line}  # {said}')
        elif said: lines += [*textwrap.wrap(said, WIDTH, initial_indent='    # ', subsequent_indent='    # '), line]
        elif was_bare and len(lines[-1]) + len(line) - 3 <= WIDTH: lines[-1] += line[3:]
        else: lines.append(line)
        was_bare = not said
    return lines


def signature(sym, name):
    "What stands in the code block of a page."
    if isinstance(sym, property) or not callable(sym): return None
    is_class = inspect.isclass(sym)
    is_record = is_class and (is_dataclass(sym) or hasattr(sym, '_fields'))
    found = list(fields_of(sym) if is_record else parameters_of(sym))
    head = f'{"class" if is_class else "def"} {name.rsplit(".", 1)[-1]}('
    given, said = (None, None) if is_class else (inspect.signature(sym).return_annotation, docments(sym).get('return'))
    end = ')' + ('' if given in (None, inspect.Signature.empty) else f' -> {shown(given)}')
    end += f'  # {said}' if said else ''
    one = f'{head}{", ".join(line.strip().rstrip(",") for line in lines_of(found))}{end}'
    if not any(c for *_, c in found) and len(one) <= WIDTH: return one.replace('()', '') if is_class else one
    if len(end) > WIDTH: end = '\n'.join([*textwrap.wrap(said, WIDTH, initial_indent='# ', subsequent_indent='# '), end.partition('  # ')[0]])
    return '\n'.join([head, *lines_of(found), end])


class Renderer(BasicMarkdownRenderer):
    "What `show_doc` puts on a page."
    def _repr_markdown_(self):
        made = super()._repr_markdown_()
        try:
            block = signature(in_module(self.sym, self.nm), self.nm)
        except (ValueError, TypeError, OSError): return made
        return FENCE.sub(lambda _: f'```python\n{block}\n```', made, count=1) if block else made


# The front matter of posts

# What their pictures in the list of posts show, see thumbnails.py
THUMBNAILS = {'00': 'Two look-alike cats and two look-alike dogs.', '01': 'A curve of errors that falls from epoch to epoch.',
              '02': 'A loss that falls to a marked point and then shoots up.', '03': 'Layers of a network, lit more the later they come.',
              '04': 'A small and a tall stack of layers.', '05': 'Two errors whose intervals overlap.',
              '06': 'Two clouds of points and a straight line between them.', '07': 'Bars beside the diagonal on which stated and true probability agree.',
              '08': 'A long bar and a short one.', '09': 'A pet in a frame with a label of its breed.'}

LAUNCH = re.compile(r'(?m)^(\[Open in\s+Colab\]\([^)]*\)[^\n]*)$')  # The line that opens the notebook elsewhere
SECONDS = dict(word=.3, line=3., figure=12.)  # To read a word of prose, a line of code or of an output, a figure


def reading_minutes(cells):
    "Quarto counts the words of the prose only; a post is half code."
    seconds = 0.
    for c in cells:
        source = ''.join(c['source'] or '')
        if c['cell_type'] == 'markdown': seconds += SECONDS['word'] * len(source.split())
        if c['cell_type'] != 'code' or re.search(r'(?m)^#\| *include: *false', source): continue
        lines = [] if re.search(r'(?m)^#\| *echo: *false', source) else [x for x in source.split('\n') if x.strip() and x[:2] != '#|']
        seconds += SECONDS['line'] * len(lines)
        for o in c.get('outputs', []):
            data = o.get('data', {})
            if any(k.startswith('image/') for k in data): seconds += SECONDS['figure']
            else: seconds += SECONDS['word'] * len(''.join(data.get('text/markdown', o.get('text', data.get('text/plain', '')))).split())
    return max(1, round(seconds / 60))


class dress_posts(Processor):
    "Only posts have an author, a date and a citation; and a picture and minutes for the list of posts."
    def end(self):
        path = Path(self.nb.path_)
        if not path.name[0].isdigit(): return
        front = self.nb.cells[0]
        meta = yaml.safe_load(front.source.strip().strip('-'))
        meta |= dict(author=[dict(name=dict(literal=get_config()['author']))], citation=dict(type='webpage'), reading=f'{reading_minutes(self.nb.cells)} min')
        number = path.name.partition('_')[0]
        meta |= {'image': f'thumb-{number}.png', 'image-alt': THUMBNAILS[number]}
        front.source = f'---\n{yaml.safe_dump(meta, allow_unicode=True)}---\n\n'
        for c in self.nb.cells:
            if c.cell_type == 'markdown': c.source = LAUNCH.sub(r'\n::: {.quiet}\n\1\n:::\n', c.source)


# After Quarto

def page_order(site):
    "Addresses of the pages, in the order of the sidebar, as the home page links to them."
    home = (site / 'index.html').read_text(encoding='utf-8')
    return list(dict.fromkeys(re.findall(r'class="[^"]*sidebar-(?:item-text|link)[^"]*"[^>]*href="\.?/?([^"#]+\.html)"|href="\.?/?([^"#]+\.html)"[^>]*class="[^"]*sidebar-', home)))


def title_of(page):
    found = re.search(r'(?s)<title>(.*?)</title>', page.read_text(encoding='utf-8'))
    return re.sub(r' [–-] [^–-]*$', '', found[1].strip()) if found else page.stem


def mend_llms(site, address, title, description):
    """Give each page's text the name of its page, list all of them in llms.txt, and write them into one file.

    Quarto names the text after the notebook (`00_data.llms.md`) and looks for one named after the page (`data.html`).
    """
    for text in sorted(site.rglob('*.llms.md')):
        named = text.with_name(re.sub(r'^\d+[a-z]?_', '', text.name))
        if named != text and not text.with_name(text.name.replace('.llms.md', '.html')).exists(): text.rename(named)
    texts = {p.relative_to(site).as_posix(): p for p in sorted(site.rglob('*.llms.md')) if p.name != '404.llms.md'}
    if not texts: return []
    order = [a or b for a, b in page_order(site)] if (site / 'index.html').exists() else []
    order = [n.removesuffix('.html') + '.llms.md' for n in order]
    names = [n for n in order if n in texts] + [n for n in texts if n not in order]
    lines = [f'- [{title_of(site / n.replace(".llms.md", ".html"))}]({address}/{n})' for n in names]
    head = f'# {title}\n\n> {description}\n\n'
    (site / 'llms.txt').write_text(head + f'All of it in one file: <{address}/llms-full.txt>\n\n## Pages\n\n' + '\n'.join(lines) + '\n', encoding='utf-8')
    whole = '\n\n'.join(f'<!-- {address}/{n.replace(".llms.md", ".html")} -->\n\n' + texts[n].read_text(encoding='utf-8').strip() for n in names)
    (site / 'llms-full.txt').write_text(head + whole + '\n', encoding='utf-8')
    return names


def mend_pages(site):
    "A citation's entry says that it is an item of a list, and there is no list."
    for page in site.rglob('*.html'):
        text = page.read_text(encoding='utf-8')
        mended = re.sub(r'<div[^>]*\bcsl-entry\b[^>]*>', lambda m: re.sub(r'\s+role="[^"]*"', '', m[0]), text)
        if mended != text: page.write_text(mended, encoding='utf-8')


def mend(site):
    cfg = get_config()
    mend_pages(site)
    return mend_llms(site, cfg['doc_host'] + cfg['doc_baseurl'], cfg['title'], cfg['description'])


if __name__ == '__main__':
    print(json.dumps(dict(llms=len(mend(Path(sys.argv[1]))))))
