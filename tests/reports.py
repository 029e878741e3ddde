"""What tests of written pages share."""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br"}


class Balance(HTMLParser):
    """Checks that every element is closed by its own end tag, and keeps what a browser would load or show."""

    def __init__(self, page):
        super().__init__()
        self.open, self.sources, self.texts, self.tags = [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href", "srcset", "data", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)
