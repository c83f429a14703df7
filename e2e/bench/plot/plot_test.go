package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestSVGIsWellFormedAndHoldsEveryPoint(t *testing.T) {
	line := Line{Name: "ms <whole>"}
	for _, x := range []float64{1, 10, 100, 1000} {
		line.Add(x, x/20)
	}
	text := string(SVG("A & B", "ports", line, Line{Name: "empty"}))
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not XML: %v\n%s", err, text)
		}
	}
	if n := strings.Count(text, "<circle"); n != 4 {
		t.Errorf("%d of 4 points", n)
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("a number that is none:\n%s", text)
	}
}
