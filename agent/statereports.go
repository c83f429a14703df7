package agent

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-net/fairlead/agent/ports"
	cc "github.com/fairlead-net/fairlead/controller-client"
	"github.com/fairlead-net/fairlead/overlay"
)

const (
	stateSource = "fairlead"
	maxDetails  = 20
)

// stateReport is what the controller is to know of one resource.
type stateReport struct {
	status  string
	id      string // instanceId
	details []cc.StateDetail
}

// stateReports are by reference; nil while nothing can be said. a.mu is held.
func (a *Agent) stateReports() map[string]stateReport {
	if a.model == nil || a.policy == nil || a.status.State != cc.StateOK {
		return nil
	}
	reports := map[string]stateReport{}
	if host := a.model.FindHost(a.cfg.Host.Name); host != nil {
		reports[host.Ref] = a.hostReport(host)
	}
	for _, name := range slices.Sorted(maps.Keys(a.records)) {
		r := a.records[name]
		nic := a.model.FindEndpoint(r.NIC)
		if r.Phase != ports.Attached || r.NIC == "" || nic == nil {
			continue
		}
		report, begun := reports[nic.Ref]
		if !begun {
			report = stateReport{status: cc.StatusSuccess, id: nic.InstanceID}
			report.details = a.complaintsAbout(nic)
		}
		if state, message := a.state(r); state == "error" || state == "down" {
			report.details = append(report.details, cc.StateDetail{Source: stateSource, Code: cc.CodeVFP, Message: fmt.Sprintf("endpoint %q: %s", name, message)})
		}
		reports[nic.Ref] = report
	}
	for ref, r := range reports {
		if r.status == cc.StatusSuccess && len(r.details) > 0 {
			r.status = cc.StatusFailure
		}
		r.details = bounded(r.details)
		reports[ref] = r
	}
	return reports
}

// hostReport is a failure when the host's own part does not work, and a warning when something that the controller says
// could not be put in force.
func (a *Agent) hostReport(host *overlay.Host) stateReport {
	r := stateReport{status: cc.StatusSuccess, id: host.InstanceID}
	for _, p := range a.problems() {
		if p.Severity != "error" {
			continue
		}
		d := cc.StateDetail{Source: stateSource, Code: cc.CodePolicy, Message: detailMessage(p)}
		switch p.Code {
		case "underlay":
			d.Code, r.status = cc.CodePA, cc.StatusFailure
		case "datapath", "datapath-sweep":
			d.Code, r.status = cc.CodeVFP, cc.StatusFailure
		case "port":
			d.Code = cc.CodeVFP
		}
		if r.status == cc.StatusSuccess {
			r.status = cc.StatusWarning
		}
		r.details = append(r.details, d)
	}
	return r
}

// complaintsAbout a NIC or its ipConfigurations.
func (a *Agent) complaintsAbout(nic *overlay.Endpoint) (details []cc.StateDetail) {
	for _, p := range a.problems() {
		if key := cc.RefKey(p.Resource); p.Severity == "error" && (key == nic.Key || strings.HasPrefix(key, nic.Key+"/")) {
			details = append(details, cc.StateDetail{Source: stateSource, Code: cc.CodePolicy, Message: detailMessage(p)})
		}
	}
	return details
}

func detailMessage(p cc.Problem) string {
	return fmt.Sprintf("%s %s: %s", p.Code, p.Resource, p.Message)
}

func bounded(details []cc.StateDetail) []cc.StateDetail {
	if more := len(details) - maxDetails; more > 0 {
		details = append(details[:maxDetails:maxDetails], cc.StateDetail{Source: stateSource, Code: cc.CodePolicy, Message: fmt.Sprintf("and %d more", more)})
	}
	return details
}
