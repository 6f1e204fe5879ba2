<#
.SYNOPSIS
Way B: lets leavebridge write to the calendars of one group's direct members, and to no others (RBAC for Applications).

.DESCRIPTION
Run it as an Exchange Administrator. It may be run again: it uses what is there. It changes nothing in Entra.
A tenant-wide consent of {{calendars}} in Entra defeats the scope, and this script cannot see it:
setup-graph.ps1 -Way B and setup-az.sh B look for one.

.EXAMPLE
./rbac.ps1 -ServicePrincipalId 00000000-0000-0000-0000-000000000000 -Member amy.chan@contoso.com -Outsider ben.okafor@contoso.com
#>
#Requires -Modules ExchangeOnlineManagement
[CmdletBinding()]
param(
    # Application (client) ID.
    {{ps_client_id}},
    # Object ID of the app under Enterprise apps. The one under App registrations is another one.
    [Parameter(Mandatory)] [guid] $ServicePrincipalId,
    # The group. Members of groups inside it do not count.
    {{ps_group}},
    # Somebody in the group: the app must reach this mailbox.
    [Parameter(Mandatory)] [string] $Member,
    # Somebody who is not in the group: the app must not reach this mailbox.
    [Parameter(Mandatory)] [string] $Outsider,
    # What the scope and the assignment are called in Exchange.
    [string] $Scope = '{{scope}}'
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$role = '{{exchange_role}}'
$app = "$ServicePrincipalId"

Connect-ExchangeOnline -ExchangeEnvironmentName {{exchange_environment}} -ShowBanner:$false

# Exchange keeps a pointer of its own to the app.
if (-not (Get-ServicePrincipal -Identity $app -ErrorAction SilentlyContinue)) {
    New-ServicePrincipal -AppId "$ClientId" -ObjectId $app -DisplayName 'leavebridge' | Out-Null
}

$found = Get-Group -Identity $Group
$filter = "MemberOfGroup -eq '$($found.DistinguishedName.Replace("'", "''"))'"
$existing = Get-ManagementScope -Identity $Scope -ErrorAction SilentlyContinue
if (-not $existing) {
    New-ManagementScope -Name $Scope -RecipientRestrictionFilter $filter | Out-Null
}
elseif ($existing.RecipientFilter -notlike "*$($found.DistinguishedName.Replace("'", "''"))*") {
    throw "The scope $Scope is there already, but for another group. Name another one with -Scope, or remove it."
}

$assigned = Get-ManagementRoleAssignment -RoleAssignee $app -Role $role -ErrorAction SilentlyContinue
if (-not $assigned) {
    New-ManagementRoleAssignment -App $app -Role $role -CustomResourceScope $Scope | Out-Null
}

# This asks the rules themselves, not the cache that Graph goes by for the next 30 minutes to 2 hours.
function Test-Reach([string] $Mailbox) {
    $answers = Test-ServicePrincipalAuthorization -Identity $app -Resource $Mailbox
    $inScope = @($answers | Where-Object { $_.RoleName -eq $role -and "$($_.InScope)" -eq 'True' })
    return $inScope.Count -gt 0
}
$right = $true
if (-not (Test-Reach $Member)) {
    Write-Warning "The app does not reach $Member. Is this a direct member of $Group?"
    $right = $false
}
if (Test-Reach $Outsider) {
    Write-Warning "The app reaches $Outsider, who should be outside. Look at: Get-ManagementRoleAssignment -RoleAssignee $app"
    $right = $false
}
if (-not $right) { throw 'The scope is not right yet.' }
Write-Host "The app reaches $Member and does not reach $Outsider."
Write-Host 'Graph may take 30 minutes (a quiet app) to 2 hours (a busy one) to follow. Then: leavebridge doctor'
