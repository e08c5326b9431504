package secret

import "strconv"

// unescaped is the view of a text with its escapes undone: %41, \x41, \u0041,
// \n and the like, &#65; and &#x41;. It reports false when there are none.
func unescaped(text []byte) (view, bool) {
	v := view{original: text}
	any := false
	for i := 0; i < len(text); {
		c, size := escapeAt(text[i:])
		if size > 1 && !any {
			any = true
			v.grow(len(text))
			for k := range i {
				v.add(text[k], k, k+1)
			}
		}
		if any {
			v.add(c, i, i+size)
		}
		i += size
	}
	return v, any
}

// escapeAt decodes what stands at the start of text: the character and how many
// bytes it took. Escapes of anything but ASCII count as no letter.
func escapeAt(text []byte) (c byte, size int) {
	switch text[0] {
	case '%':
		return numeric(text, 1, 2, 16)
	case '\\':
		if len(text) < 2 {
			return text[0], 1
		}
		switch text[1] {
		case 'x':
			return numeric(text, 2, 2, 16)
		case 'u':
			return numeric(text, 2, 4, 16)
		case 'n', 'r', 't':
			return ' ', 2
		}
	case '&':
		return entity(text)
	}
	return text[0], 1
}

// numeric reads exactly digits digits after skip bytes.
func numeric(text []byte, skip, digits, base int) (byte, int) {
	if len(text) < skip+digits {
		return text[0], 1
	}
	n, err := strconv.ParseUint(string(text[skip:skip+digits]), base, 32)
	if err != nil {
		return text[0], 1
	}
	return ascii(n), skip + digits
}

// entity reads a numeric character reference of at most ten bytes.
func entity(text []byte) (byte, int) {
	if len(text) < 4 || text[1] != '#' {
		return text[0], 1
	}
	skip, base := 2, 10
	if text[2] == 'x' || text[2] == 'X' {
		skip, base = 3, 16
	}
	for end := skip; end < min(len(text), 10); end++ {
		if text[end] == ';' {
			n, err := strconv.ParseUint(string(text[skip:end]), base, 32)
			if err != nil {
				break
			}
			return ascii(n), end + 1
		}
	}
	return text[0], 1
}

func ascii(n uint64) byte {
	if n < 0x80 {
		return byte(n)
	}
	return ' '
}
