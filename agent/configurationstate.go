package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	cc "github.com/fairlead-net/fairlead/controller-client"
)

const (
	reportInterval = 2 * time.Second // at most one round of reports in this time
	reportRetry    = time.Minute     // the longest pause after reports that failed
	reportAtMost   = 10 * time.Second
)

// toldState is what was reported of a resource. Whoever writes the resource takes the report away, and leaves Success:
// then its etag is neither the one it had, nor one that a report has given it.
type toldState struct {
	text  string
	etags []string
	at    time.Time
}

const (
	keptETags = 8 // of a resource's reports: a poll may be that many behind
	// reportAgain is the shortest time between reports of the same: there may be controllers that give a resource yet
	// another etag after each.
	reportAgain = 30 * time.Second
)

// errAgain says that a report was taken away, and is made again later.
var errAgain = errors.New("reported only a moment ago")

func (s *toldState) stands(r *stateReport, text, etag string) bool {
	return s.text == text && (r.status == cc.StatusSuccess || etag == "" || slices.Contains(s.etags, etag))
}

// reportStates tells the controller, until ctx ends, how this host and its endpoints' NICs are doing, when that changes.
func (a *Agent) reportStates(ctx context.Context) {
	if a.reporter == nil {
		return
	}
	told := map[string]*toldState{}
	var pause time.Duration
	for {
		if pause == 0 {
			select {
			case <-ctx.Done():
				return
			case <-a.outcome:
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(pause, reportInterval)): // what changes again meanwhile is told once
		}
		err := a.tell(ctx, told)
		if errors.Is(err, cc.ErrRefused) {
			a.refusedReports(err)
			return
		}
		switch {
		case err == nil:
			pause = 0
			continue
		case errors.Is(err, errAgain):
			pause = reportInterval
			continue
		}
		a.log.Debug("configurationState not reported", "error", err)
		pause = min(max(2*pause, reportInterval), reportRetry)
		pause += rand.N(pause/4 + 1) // of many agents that lost one controller
	}
}

// noteETags keeps those of what is reported on. a.mu is held.
func (a *Agent) noteETags(s *cc.Snapshot) {
	if a.reporter == nil {
		return
	}
	a.etags = map[string]string{}
	for i := range s.Servers {
		if strings.EqualFold(s.Servers[i].ID, a.cfg.Host.Name) {
			a.etags[cc.RefKey(s.Servers[i].Ref)] = s.Servers[i].ETag
		}
	}
	for i := range s.NetworkInterfaces {
		if n := &s.NetworkInterfaces[i]; strings.EqualFold(lastPart(n.Server), a.cfg.Host.Name) {
			a.etags[cc.RefKey(n.Ref)] = n.ETag
		}
	}
}

// maybeReport is called whenever there may be something to report.
func (a *Agent) maybeReport() {
	select {
	case a.outcome <- struct{}{}:
	default:
	}
}

// refusedReports is the last word on them: asking again would bring the same answer.
func (a *Agent) refusedReports(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fromWrites = []cc.Problem{{Code: "configuration-state-refused", Severity: "warning", Resource: a.cfg.Host.Name,
		Message: fmt.Sprintf("controller.rest.writes.configurationState: %v; nothing more is reported until the agent starts again", err)}}
	a.report()
}

// tell reports what is not in told, and notes it there.
func (a *Agent) tell(ctx context.Context, told map[string]*toldState) (later error) {
	a.mu.Lock()
	reports, etags := a.stateReports(), a.etags
	a.mu.Unlock()
	if reports == nil {
		return nil
	}
	for _, ref := range slices.Sorted(maps.Keys(reports)) {
		r, etag := reports[ref], etags[cc.RefKey(ref)]
		text := fmt.Sprint(r)
		if told[ref] == nil {
			told[ref] = &toldState{}
		}
		if told[ref].stands(&r, text, etag) {
			continue
		}
		if told[ref].text == text && time.Since(told[ref].at) < reportAgain {
			later = errAgain
			continue
		}
		once, cancel := context.WithTimeout(ctx, reportAtMost)
		given, err := a.reporter.ReportState(once, ref, cc.ConfigurationState{Status: r.status, Details: r.details, LastUpdated: time.Now().UTC().Truncate(time.Second), ID: r.id})
		cancel()
		if err != nil && !errors.Is(err, cc.ErrGone) {
			return err
		}
		kept := append(told[ref].etags, etag, given)
		*told[ref] = toldState{text, kept[max(0, len(kept)-keptETags):], time.Now()}
	}
	maps.DeleteFunc(told, func(ref string, _ *toldState) bool { _, still := reports[ref]; return !still })
	return later
}
