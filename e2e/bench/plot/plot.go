// Package plot draws lines over logarithmic axes as SVG.
package plot

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// Line is a named series of points.
type Line struct {
	Name   string
	points [][2]float64
}

// Add appends a point; both values must be positive.
func (l *Line) Add(x, y float64) { l.points = append(l.points, [2]float64{x, y}) }

const (
	width, height = 640, 360
	left, right   = 70, 20
	top, bottom   = 60, 50
)

var colours = []string{"#1f5fa8", "#c0562b", "#3c8a4e", "#7a4ea0"}

// axis maps a range of decades to pixels.
type axis struct{ low, high, from, to float64 }

// decades spans whole powers of ten around the values.
func decades(values []float64, from, to float64) axis {
	a := axis{math.Inf(1), math.Inf(-1), from, to}
	for _, v := range values {
		if v > 0 {
			a.low, a.high = min(a.low, math.Floor(math.Log10(v))), max(a.high, math.Ceil(math.Log10(v)))
		}
	}
	if a.low >= a.high {
		a.high = a.low + 1
	}
	return a
}

func (a axis) at(v float64) float64 {
	return a.from + (a.to-a.from)*(math.Log10(v)-a.low)/(a.high-a.low)
}

// SVG draws the lines over a title, with the name of what grows to the right.
func SVG(title, x string, lines ...Line) []byte {
	var xs, ys []float64
	for _, l := range lines {
		for _, p := range l.points {
			xs, ys = append(xs, p[0]), append(ys, p[1])
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/><text x="%d" y="22" font-size="15">%s</text>`+"\n", width, height, left, html.EscapeString(title))
	if len(xs) > 0 {
		across, up := decades(xs, left, width-right), decades(ys, height-bottom, top)
		grid(&b, across, up)
		for i, l := range lines {
			draw(&b, l, i, across, up)
		}
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n</svg>\n", (left+width-right)/2, height-12, html.EscapeString(x))
	return b.Bytes()
}

func grid(b *bytes.Buffer, across, up axis) {
	for d := across.low; d <= across.high; d++ {
		x := across.at(math.Pow(10, d))
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", x, top, height-bottom, x, height-bottom+16, tick(d))
	}
	for d := up.low; d <= up.high; d++ {
		y := up.at(math.Pow(10, d))
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left, y, width-right, left-6, y+4, tick(d))
	}
}

func tick(decade float64) string {
	return fmt.Sprintf("%.*f", int(max(0, -decade)), math.Pow(10, decade))
}

func draw(b *bytes.Buffer, l Line, i int, across, up axis) {
	colour := colours[i%len(colours)]
	path := "M"
	for _, p := range l.points {
		if p[0] <= 0 || p[1] <= 0 {
			continue
		}
		x, y := across.at(p[0]), up.at(p[1])
		path += fmt.Sprintf(" %.1f,%.1f", x, y)
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%g: %.3g</title></circle>`+"\n", x, y, colour, p[0], p[1])
	}
	fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`, path, colour)
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", left+200*i, 44, colour, html.EscapeString(l.Name))
}
