<#
.SYNOPSIS
Registers leavebridge in Entra with Microsoft Graph PowerShell: step 1, step 2 and, for way A, step 3 of steps.md.

.DESCRIPTION
-Way A consents to {{calendars}} for the whole directory. -Way B consents to nothing, and checks that nobody
has: rbac.ps1 then limits the app to a group. It may be run again: it uses the app that is there. It never prints the
secret, and never overwrites its file.

.EXAMPLE
./setup-graph.ps1 -Way A
#>
#Requires -Modules Microsoft.Graph.Authentication, Microsoft.Graph.Applications
[CmdletBinding()]
param(
    # A: the whole directory. B: one group, with rbac.ps1.
    [Parameter(Mandatory)] [ValidateSet('A', 'B')] [string] $Way,
    # Directory (tenant) ID.
    {{ps_directory_id}},
    # Application (client) ID, if you have one; else it is looked for by name, and registered when there is none.
    [string] $ClientId = '{{sh_client_id}}',
    [string] $AppName = 'leavebridge',
    # Object ID of a managed identity, which has neither a registration nor a secret.
    [string] $ManagedIdentityId = '',
    # Where the new secret goes; '' for none (certificate, workload identity).
    [string] $SecretFile = '{{script_secret_file}}',
    # Takes full_access_as_app (EWS) away from the app.
    [switch] $RemoveEws
)
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$graphApp = '{{graph_app}}'
$calendars = '{{calendars_role}}'
$exchangeApp = '{{exchange_app}}'
$ews = '{{ews_role}}'

if ($ManagedIdentityId) { $SecretFile = '' }
if ($SecretFile -and (Test-Path $SecretFile)) {
    throw "$SecretFile is there already. Move it away for a new secret, or say -SecretFile '' to keep the one you have."
}
Connect-MgGraph -Environment {{graph_environment}} -TenantId $DirectoryId -NoWelcome -Scopes @(
    'Application.ReadWrite.All', 'AppRoleAssignment.ReadWrite.All'
)

# Step 1: register the app.
$app = $null
if ($ManagedIdentityId) {
    $principal = Get-MgServicePrincipal -ServicePrincipalId $ManagedIdentityId
}
else {
    $filter = if ($ClientId) { "appId eq '$ClientId'" } else { "displayName eq '$AppName'" }
    $apps = @(Get-MgApplication -Filter $filter)
    if ($apps.Count -gt 1) { throw "Several apps are called $AppName. Say which with -ClientId." }
    if ($apps.Count -eq 1) { $app = $apps[0] }
    elseif ($ClientId) { throw "There is no app $ClientId in this directory." }
    else { $app = New-MgApplication -DisplayName $AppName -SignInAudience 'AzureADMyOrg' }
    $principal = Get-MgServicePrincipal -Filter "appId eq '$($app.AppId)'"
    if (-not $principal) { $principal = New-MgServicePrincipal -AppId $app.AppId }
}

# Step 3: decide which calendars it may write to.
$granted = @(Get-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $principal.Id -All)
$tenantWide = @($granted | Where-Object { $_.AppRoleId -eq $calendars })
if ($Way -eq 'A' -and $tenantWide.Count -eq 0) {
    if ($app) {
        # So that the portal shows it as configured, too. What the app asks for already stays.
        $wanted = @($app.RequiredResourceAccess | Where-Object { $_.ResourceAppId -ne $graphApp })
        $ofGraph = @($app.RequiredResourceAccess | Where-Object { $_.ResourceAppId -eq $graphApp } |
            ForEach-Object { $_.ResourceAccess } | Where-Object { $_.Id -ne $calendars })
        $ofGraph += @{ Id = $calendars; Type = 'Role' }
        $wanted += @{ ResourceAppId = $graphApp; ResourceAccess = $ofGraph }
        Update-MgApplication -ApplicationId $app.Id -RequiredResourceAccess $wanted
    }
    $graph = Get-MgServicePrincipal -Filter "appId eq '$graphApp'"
    New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $principal.Id -PrincipalId $principal.Id `
        -ResourceId $graph.Id -AppRoleId $calendars | Out-Null
}
elseif ($Way -eq 'B' -and $tenantWide.Count -gt 0) {
    throw '{{calendars}} is granted for the whole directory, which defeats way B. Revoke it under API permissions.'
}

# Step 6: leave EWS behind.
foreach ($old in @($granted | Where-Object { $_.AppRoleId -eq $ews })) {
    if ($RemoveEws) {
        Remove-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $principal.Id -AppRoleAssignmentId $old.Id
        Write-Host 'full_access_as_app (EWS) is no longer granted.'
    }
    else {
        Write-Warning "Still granted: full_access_as_app (EWS). Once nothing else uses it, run this again with -SecretFile '' -RemoveEws."
    }
}
if ($RemoveEws -and $app) {
    # Only this one: other permissions of Exchange's may be in use by something else.
    $app = Get-MgApplication -ApplicationId $app.Id
    $kept = @(foreach ($api in $app.RequiredResourceAccess) {
        $left = @($api.ResourceAccess | Where-Object { $api.ResourceAppId -ne $exchangeApp -or $_.Id -ne $ews })
        if ($left.Count -gt 0) { @{ ResourceAppId = $api.ResourceAppId; ResourceAccess = $left } }
    })
    Update-MgApplication -ApplicationId $app.Id -RequiredResourceAccess $kept
    foreach ($api in @($app.RequiredResourceAccess | Where-Object { $_.ResourceAppId -eq $exchangeApp })) {
        if (@($api.ResourceAccess | Where-Object { $_.Id -ne $ews }).Count -gt 0) {
            Write-Warning 'The app asks Exchange Online for more, such as EWS.AccessAsUser.All: see step 6 for what else can go.'
        }
    }
}

# Step 2: give it a credential.
$expires = ''
if ($SecretFile -and $app) {
    # Made first, and only for you, so that the secret is never where others can read it.
    $file = New-Item -ItemType File -Path $SecretFile
    if (-not $IsWindows) { chmod 600 $file.FullName }
    try {
        $secret = Add-MgApplicationPassword -ApplicationId $app.Id -PasswordCredential @{
            DisplayName = 'leavebridge'
            EndDateTime = (Get-Date).AddYears(1)
        }
    }
    catch {
        # Else the empty file would be in the way of the next run.
        Remove-Item $file.FullName
        throw
    }
    [IO.File]::WriteAllText($file.FullName, $secret.SecretText)
    $expires = $secret.EndDateTime.ToString('yyyy-MM-dd')
}

"directory_id = `"$DirectoryId`""
"client_id = `"$($principal.AppId)`""
if ($expires) {
    "client_secret_file = `"$SecretFile`"    # move it to where leavebridge reads it"
    "secret_expires = `"$expires`""
}
"# service principal: $($principal.Id)"
if ($Way -eq 'B') {
    "# now: ./rbac.ps1 -ClientId $($principal.AppId) -ServicePrincipalId $($principal.Id)"
}
