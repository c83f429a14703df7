package rest

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// shown is a transport that counts the tokens it is shown.
type shown map[string]int

func (s shown) RoundTrip(r *http.Request) (*http.Response, error) {
	s[r.Header.Get("Authorization")]++
	return answer(200, `{}`), nil
}

func TestTicketIsGotAnewBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logins, kdc := 0, error(nil)
		tokens := shown{}
		n := &negotiating{next: tokens, services: map[string]*service{}, get: func(string) (*ticket, error) {
			logins++
			name := string(rune('a' + logins - 1))
			return &ticket{end: time.Now().Add(10 * time.Hour), token: func() (string, error) { return name, nil }}, kdc
		}}
		ask := func() error {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://nc.example/x", nil)
			_, err := n.RoundTrip(r)
			synctest.Wait()
			return err
		}
		for range 60 * 4 { // every minute
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
		}
		if logins != 1 || len(tokens) != 1 {
			t.Errorf("%d logins, tokens %v in four of ten hours", logins, tokens)
		}
		<-time.After(61 * time.Minute)
		if err := errors.Join(ask(), ask()); err != nil || logins != 2 || tokens["b"] == 0 {
			t.Errorf("%d logins, tokens %v after five hours: %v", logins, tokens, err)
		}
		// While logins fail the ticket is good to its end, and the KDC is not asked all the time.
		kdc = errors.New("no")
		<-time.After(6 * time.Hour)
		logins = 0
		for range 60 * 60 { // every second
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		if logins < 20 || logins > 40 {
			t.Errorf("%d failing logins in an hour, want about one every two minutes", logins)
		}
		<-time.After(4 * time.Hour)
		var login *kerberosError
		if err := ask(); !errors.As(err, &login) {
			t.Errorf("without a ticket: %v", err)
		}
		<-time.After(loginPauseMax)
		kdc = nil
		if err := errors.Join(ask(), ask()); err != nil {
			t.Errorf("when the KDC is back: %v", err)
		}
	})
}
